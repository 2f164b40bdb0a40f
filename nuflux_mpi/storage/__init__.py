"""Files: written whole or not at all, HDF5 on one rank or on many, files of the user that a run starts from.

May import runtime. Names: `atomic.write_whole`, `hdf5.open_parallel`, `start_file.find`.
"""
