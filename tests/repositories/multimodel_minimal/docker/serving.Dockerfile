FROM python:3.11-slim-bookworm
COPY requirements.txt /tmp/requirements.txt
# Behind a proxy that breaks TLS open, its certificate comes as a secret of the build.
RUN --mount=type=secret,id=ca \
    if [ -f /run/secrets/ca ]; then export PIP_CERT=/run/secrets/ca; fi \
    && pip install --no-cache-dir --requirement /tmp/requirements.txt
RUN useradd --create-home --uid 1000 server
USER server
EXPOSE 5001
CMD ["sh", "-c", "cd \"$AML_APP_ROOT\" && exec azmlinfsrv --entry_script \"$AZUREML_ENTRY_SCRIPT\" --model_dir \"$AZUREML_MODEL_DIR\" --port 5001"]
