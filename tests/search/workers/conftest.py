"""What trials on a GPU that is not there need."""

from tests.trainers.conftest import card, digits_folder, tiny_config  # noqa: F401
