"""Datasets: records, readers, pixel cache, augmentation and sampling."""
