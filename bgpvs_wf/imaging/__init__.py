"""Array functions on images: geometry, intensity, vesselness, morphology, skeletons.

Arrays and affines in, arrays and numbers out. Nothing here knows Nipype or BIDS.
"""
