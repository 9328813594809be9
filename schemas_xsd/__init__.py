"""Catalogue of the official schemas and the installer that brings them."""
