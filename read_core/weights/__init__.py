"""Weights: reading safetensors files and putting them into models, always strictly."""
