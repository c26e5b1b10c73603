"""From bytes to images in their parts: decode, ingest, check, edit, split."""
