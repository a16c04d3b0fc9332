"""The page of a subject in three dimensions: surfaces of the nuclei and PVS, drawn by NiiVue."""
