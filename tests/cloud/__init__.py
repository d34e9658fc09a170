"""What the team's cluster needs beside the apps."""
