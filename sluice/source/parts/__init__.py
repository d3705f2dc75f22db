"""What a delivery consists of: the file itself, members of an archive, files of a folder; and their bytes, unpacked."""
