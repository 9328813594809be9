"""Doors that are not HTTP: MLLP conversations on ports that open and change, folders and SFTP that are collected."""
