"""Puts, reads and takes away a notification configuration with MinIO's Python SDK; run by its own
interpreter: endpoint without scheme, access key, secret, bucket, ARN."""

from __future__ import annotations

import sys

from minio import Minio
from minio.notificationconfig import (
    NotificationConfig,
    PrefixFilterRule,
    QueueConfig,
    SuffixFilterRule,
)

endpoint, access, secret, bucket, arn = sys.argv[1:]
s3 = Minio(endpoint=endpoint, access_key=access, secret_key=secret, secure=False)
made = QueueConfig(
    ["s3:ObjectCreated:*"],
    config_id="mine",
    prefix_filter_rule=PrefixFilterRule("in/"),
    suffix_filter_rule=SuffixFilterRule(".csv"),
    queue=arn,
)
s3.set_bucket_notification(bucket_name=bucket, config=NotificationConfig(queue_config_list=[made]))
(found,) = s3.get_bucket_notification(bucket_name=bucket).queue_config_list
assert found.config_id == "mine", found.config_id
assert (found.prefix_filter_rule.value, found.suffix_filter_rule.value) == ("in/", ".csv")
s3.delete_bucket_notification(bucket_name=bucket)
assert s3.get_bucket_notification(bucket_name=bucket).queue_config_list == []
print("well")
