"""Files of any size: read and checked a slice at a time, in flat memory."""
