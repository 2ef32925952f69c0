"""Networks: CLIP towers, prompts, fusion and the re-ID network."""
