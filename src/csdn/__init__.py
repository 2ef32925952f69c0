"""csdn: CLIP-driven semantic discovery for visible-infrared person re-identification."""
