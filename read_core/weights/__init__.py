"""Read safetensors files and load them into models, always strictly."""
