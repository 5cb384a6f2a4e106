// The AWS SDK for JavaScript v3: strings, streams, multipart, presigned URLs.
import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { createRequire } from "node:module";

const [, , endpoint, accessKeyId, secretAccessKey, , Bucket, modules] = process.argv;
const load = createRequire(`${modules}/`);
const s3 = load("@aws-sdk/client-s3");
const { Upload } = load("@aws-sdk/lib-storage");
const { getSignedUrl } = load("@aws-sdk/s3-request-presigner");

const client = new s3.S3Client({
  endpoint,
  region: "us-east-1",
  forcePathStyle: true,
  credentials: { accessKeyId, secretAccessKey },
});
const keys = ["a b+c/\u00e9//x;=1.txt", "100%.txt", "caf\u00e9", "cafe\u0301", "~*'()!&$,#?", "k".repeat(1024)];
for (const Key of keys) {
  await client.send(new s3.PutObjectCommand({ Bucket, Key, Body: Key, Metadata: { n: "1" } }));
  const found = await client.send(new s3.GetObjectCommand({ Bucket, Key }));
  assert.equal(await found.Body.transformToString(), Key);
  assert.deepEqual(found.Metadata, { n: "1" });
}
const listed = await client.send(new s3.ListObjectsV2Command({ Bucket }));
assert.deepEqual(listed.Contents.map((each) => each.Key).sort(), [...keys].sort());
const size = 11 * 1024 * 1024;
const stream = Readable.from([Buffer.alloc(size / 2, "a"), Buffer.alloc(size / 2, "b")]);
await new Upload({ client, params: { Bucket, Key: "big", Body: stream } }).done();
const part = await client.send(new s3.GetObjectCommand({ Bucket, Key: "big", Range: "bytes=0-9" }));
assert.equal(await part.Body.transformToString(), "aaaaaaaaaa");
const put = await getSignedUrl(client, new s3.PutObjectCommand({ Bucket, Key: "signed" }));
assert.equal((await fetch(put, { method: "PUT", body: "by link" })).status, 200);
const get = await getSignedUrl(client, new s3.GetObjectCommand({ Bucket, Key: "signed" }));
assert.equal(await (await fetch(get)).text(), "by link");
await client.send(new s3.CopyObjectCommand({ Bucket, Key: "copied", CopySource: `${Bucket}/signed` }));
const Objects = [...keys, "big", "signed", "copied"].map((Key) => ({ Key }));
await client.send(new s3.DeleteObjectsCommand({ Bucket, Delete: { Objects } }));
assert.equal((await client.send(new s3.ListObjectsV2Command({ Bucket }))).KeyCount, 0);
