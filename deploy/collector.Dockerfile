# The collector of metrics beside each task, copied so that tasks pull it from the account's own registry.
ARG COLLECTOR_IMAGE=public.ecr.aws/aws-observability/aws-otel-collector:v0.43.3
FROM ${COLLECTOR_IMAGE}
USER 10001
