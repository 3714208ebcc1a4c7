"""What comes out of a study: its tables, page and Markdown, its notes for the dashboard."""

FORMATS = ("csv", "parquet", "xlsx", "md", "html")  # of a report
