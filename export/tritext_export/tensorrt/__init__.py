"""TensorRT engines: an ONNX graph and optimisation profiles in, the bytes of an engine out.

::

    profiles   which shapes an engine must take: numbers in, ranges out
    builder    what a builder is: the one method that the two below have
    network    parse and build, through whichever of NVIDIA's two libraries is handed in
    runner     runs what was built; device is the GPU's memory, through the driver
    rtx        TensorRT for RTX, from PyPI: builds on any machine, no GPU needed
    datacentre TensorRT, in the Triton image: builds ``model.plan`` on the GPU that will run it
    source     the published, certified version that an engine is made from
    proof      does the engine, or without a GPU its fp16 graph, still give the same labels?
    timing     what a text costs the engine
    record     what is known of an engine: JSON beside it
    order      all of these, from a model's name to an engine file
"""
