"""What is known of the infant brain beforehand: labels, atlases, ages, contrast."""
