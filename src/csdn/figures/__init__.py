"""Charts and sheets of images: which ones the settings require, and how they are drawn."""
