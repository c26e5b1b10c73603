"""Where networks come from: torchvision, timm, transformers, one's own code and weights."""
