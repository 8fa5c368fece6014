# docker build -t sslskel . && docker run --rm -v "$PWD:/work" sslskel bench --method mamp
# With a GPU: --build-arg TORCH= takes the newest torch of the index, with CUDA; run with --gpus all.
FROM python:3.11-slim
ARG TORCH="--index-url https://download.pytorch.org/whl/cpu"
WORKDIR /opt/sslskel
COPY constraints.txt ./
RUN pip install --no-cache-dir ${TORCH} "$(grep '^torch==' constraints.txt)"
COPY . .
RUN grep -v '^torch==' constraints.txt > /tmp/pins && pip install --no-cache-dir -c /tmp/pins .
ENV SSLSKEL_DATA=/work/datasets
WORKDIR /work
ENTRYPOINT ["sslskel"]
CMD ["--help"]
