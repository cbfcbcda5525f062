"""Weights: the only place that reads them from files and puts them into models, always strictly."""
