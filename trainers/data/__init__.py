"""Image data: prepared once per machine, mapped by every process. Importing it spares torch."""

from trainers.data.images import DataError, ImageData
from trainers.data.prepare import prepare
from trainers.data.prepared import Meta, load_prepared, open_prepared, read_meta, verify_prepared
from trainers.data.sources import DATASETS, SHAPES, ImageShape
from trainers.data.split import stratified_split

__all__ = [
    "DATASETS",
    "SHAPES",
    "DataError",
    "ImageData",
    "ImageShape",
    "Meta",
    "load_prepared",
    "open_prepared",
    "prepare",
    "read_meta",
    "stratified_split",
    "verify_prepared",
]
