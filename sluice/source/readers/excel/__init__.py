"""Excel workbooks (xlsx): a sheet by its name, read by a process whose memory is limited."""
