"""Charts and sheets of images, which of them the settings call for, and how they are drawn."""
