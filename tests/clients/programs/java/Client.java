import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.core.sync.RequestBody;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.s3.S3Client;
import software.amazon.awssdk.services.s3.model.CompletedPart;
import software.amazon.awssdk.services.s3.model.ObjectIdentifier;
import software.amazon.awssdk.services.s3.model.S3Exception;
import software.amazon.awssdk.services.s3.model.S3Object;

/** The AWS SDK for Java v2: awkward keys, ranges, multipart, copies, conditional writes. */
public final class Client {
  private static final List<String> KEYS =
      List.of(
          "a b+c/é/x;=1.txt", "100%.txt", "a%2Fb", "a//b", "/lead", "caf\u00e9", "cafe\u0301", "trailing/",
          "~*'()!&$,#?", "k".repeat(1024));

  private static void check(boolean right, String what) {
    if (!right) {
      throw new AssertionError(what);
    }
  }

  public static void main(String[] words) {
    var known = StaticCredentialsProvider.create(AwsBasicCredentials.create(words[1], words[2]));
    var bucket = words[4];
    try (var s3 =
        S3Client.builder()
            .endpointOverride(URI.create(words[0]))
            .region(Region.US_EAST_1)
            .credentialsProvider(known)
            .forcePathStyle(true)
            .build()) {
      for (var key : KEYS) {
        s3.putObject(
            r -> r.bucket(bucket).key(key).metadata(Map.of("n", "1")), RequestBody.fromString(key));
        var whole = s3.getObjectAsBytes(r -> r.bucket(bucket).key(key));
        check(whole.asUtf8String().equals(key), "read " + key);
        check(whole.response().metadata().get("n").equals("1"), "metadata of " + key);
        var some = s3.getObjectAsBytes(r -> r.bucket(bucket).key(key).range("bytes=1-2"));
        var bytes = key.getBytes(StandardCharsets.UTF_8);
        check(Arrays.equals(some.asByteArray(), Arrays.copyOfRange(bytes, 1, 3)), "range " + key);
      }
      var listed = new ArrayList<String>();
      for (S3Object each : s3.listObjectsV2Paginator(r -> r.bucket(bucket).maxKeys(3)).contents()) {
        listed.add(each.key());
      }
      check(listed.size() == KEYS.size() && listed.containsAll(KEYS), "listing " + listed);
      multipart(s3, bucket);
      s3.copyObject(
          r -> r.sourceBucket(bucket).sourceKey("big").destinationBucket(bucket).destinationKey("copied"));
      try {
        s3.putObject(r -> r.bucket(bucket).key("copied").ifNoneMatch("*"), RequestBody.empty());
        throw new AssertionError("If-None-Match was not judged");
      } catch (S3Exception refused) {
        check(refused.statusCode() == 412, "If-None-Match: " + refused.statusCode());
      }
      var gone = new ArrayList<ObjectIdentifier>();
      for (var key : List.of("big", "copied")) {
        gone.add(ObjectIdentifier.builder().key(key).build());
      }
      KEYS.forEach(key -> gone.add(ObjectIdentifier.builder().key(key).build()));
      var answer = s3.deleteObjects(r -> r.bucket(bucket).delete(d -> d.objects(gone)));
      check(!answer.hasErrors() && answer.deleted().size() == gone.size(), "deleting");
    }
  }

  private static void multipart(S3Client s3, String bucket) {
    var upload = s3.createMultipartUpload(r -> r.bucket(bucket).key("big")).uploadId();
    var parts = new ArrayList<CompletedPart>();
    for (int number : new int[] {1, 2}) {
      var body = RequestBody.fromBytes(new byte[5 * 1024 * 1024 + number]);
      var sent =
          s3.uploadPart(r -> r.bucket(bucket).key("big").uploadId(upload).partNumber(number), body);
      parts.add(CompletedPart.builder().partNumber(number).eTag(sent.eTag())
          .checksumCRC32(sent.checksumCRC32()).build());
    }
    s3.completeMultipartUpload(
        r -> r.bucket(bucket).key("big").uploadId(upload).multipartUpload(m -> m.parts(parts)));
    var size = s3.headObject(r -> r.bucket(bucket).key("big")).contentLength();
    check(size == 2 * 5 * 1024 * 1024 + 3, "multipart");
  }
}
