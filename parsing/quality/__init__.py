"""What labels are worth, in numbers and as a contact sheet."""
