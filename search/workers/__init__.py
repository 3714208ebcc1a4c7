"""Trials at work in Ray: started, watched, replaced."""
