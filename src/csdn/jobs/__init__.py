"""What each subcommand does: reads its inputs, calls the pure code, writes its outputs; files and tracking."""
