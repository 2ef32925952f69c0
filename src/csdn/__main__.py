"""`python -m csdn` is the command `csdn`."""

from csdn.launch.entry_point import main

if __name__ == "__main__":
    main()
