"""Augmentation image by image through PIL and torchvision, as the field's loaders do it."""

import torch
import torchvision.transforms.functional as T

from csdn.data.transforms import COLOURS, ERASE_FILL, GREY, GREY_WEIGHTS


def augment(image, view, augmenter):
    """Carry out `view` on a uint8 image (H, W, 3) with torchvision -> float tensor (3, H, W)."""
    height, width, _ = image.shape
    (dy, dx), mirrored, erased, channel = view
    padding = augmenter.padding
    picture = T.pad(T.to_pil_image(image), padding)
    picture = T.crop(picture, padding + dy, padding + dx, height, width)
    if mirrored:
        picture = T.hflip(picture)
    tensor = T.to_tensor(picture)
    if erased:
        y, x, h, w = erased
        tensor = T.erase(tensor, y, x, h, w, torch.tensor(ERASE_FILL)[:, None, None])
    tensor = T.normalize(tensor, augmenter.mean, augmenter.std)
    if channel == GREY:
        grey = (tensor * torch.from_numpy(GREY_WEIGHTS)[:, None, None]).sum(0)
        tensor[:] = grey
    elif channel != COLOURS:
        tensor[:] = tensor[channel].clone()
    return tensor


def augment_batch(images, views, augmenter):
    """A batch (N, 3, H, W), stacked and handed over in shared memory, as a loader's worker does."""
    made = [augment(image, view, augmenter) for image, view in zip(images, views, strict=True)]
    return torch.stack(made).share_memory_()
