"""Image data: prepared once per machine, mapped by every process. Importing it spares torch."""

from trainers.data.cache import open_prepared, verify_prepared
from trainers.data.errors import DataError
from trainers.data.images import ImageData
from trainers.data.prepare import prepare
from trainers.data.sources import DATASETS, SHAPES, ImageShape
from trainers.data.split import stratified_split

__all__ = [
    "DATASETS",
    "SHAPES",
    "DataError",
    "ImageData",
    "ImageShape",
    "open_prepared",
    "prepare",
    "stratified_split",
    "verify_prepared",
]
