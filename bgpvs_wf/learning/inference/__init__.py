"""From a scan to nuclei and perivascular spaces, by a trained model."""
