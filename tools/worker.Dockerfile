# A worker for the passes of ganpipe on an engine that runs containers (Flink, Spark, Dataflow): Beam's image
# for this Python in exactly the SDK's version, and in it this package with the versions that it is tested with.
#
#   pip wheel --no-deps --wheel-dir dist .
#   docker build -f tools/worker.Dockerfile -t REGISTRY/ganpipe-worker .
#   ganpipe preprocess --runner flink ... --beam-option environment_type=DOCKER \
#       --beam-option environment_config=REGISTRY/ganpipe-worker
#
# The folder of the images and the working folder must be mounted in it at the driver's paths.
ARG PYTHON=3.11
ARG BEAM=2.77.0
FROM apache/beam_python${PYTHON}_sdk:${BEAM}
COPY tools/constraints.txt dist/ganpipe-*.whl /opt/ganpipe/
RUN pip install --no-cache-dir -c /opt/ganpipe/constraints.txt /opt/ganpipe/ganpipe-*.whl \
    && python -c "import pipeline.beam.task, ssgan_tf.records"
