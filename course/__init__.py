"""Eight assignments on minidl: built for students, checked by them, graded for instructors (docs/teaching.md)."""
