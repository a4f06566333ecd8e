"""From a trained model and images to features, visibility and attention, and their file."""
