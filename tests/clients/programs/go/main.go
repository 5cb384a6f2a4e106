// The AWS SDK for Go v2: awkward keys, ranges, multipart, copies, presigned URLs.
package main

import (
	"bytes"
	"context"
	"io"
	"log"
	"net/http"
	"os"
	"sort"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/feature/s3/manager"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

var keys = []string{
	"a b+c/é//x;=1.txt", "100%.txt", "a%2Fb", "caf\u00e9", "cafe\u0301", "a/../b", "/leading", "trailing/",
	"~*'()!&$,#?", strings.Repeat("k", 1024),
}

func must[T any](found T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return found
}

func check(right bool, what string) {
	if !right {
		log.Fatal(what)
	}
}

func main() {
	endpoint, access, secret, bucket := os.Args[1], os.Args[2], os.Args[3], os.Args[5]
	client := s3.New(s3.Options{
		BaseEndpoint: aws.String(endpoint),
		Region:       "us-east-1",
		UsePathStyle: true,
		Credentials:  credentials.NewStaticCredentialsProvider(access, secret, ""),
	})
	ctx, in := context.Background(), aws.String(bucket)
	read := func(key, span string) string {
		ask := &s3.GetObjectInput{Bucket: in, Key: aws.String(key)}
		if span != "" {
			ask.Range = aws.String(span)
		}
		return string(must(io.ReadAll(must(client.GetObject(ctx, ask)).Body)))
	}
	for _, key := range keys {
		body := strings.NewReader(key)
		must(client.PutObject(ctx, &s3.PutObjectInput{Bucket: in, Key: aws.String(key), Body: body, Metadata: map[string]string{"n": "1"}}))
		check(read(key, "") == key, "read "+key)
		check(read(key, "bytes=1-2") == key[1:3], "range of "+key)
		seen := must(client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: in, Key: aws.String(key)}))
		check(seen.Metadata["n"] == "1", "metadata of "+key)
	}
	var listed []string
	pages := s3.NewListObjectsV2Paginator(client, &s3.ListObjectsV2Input{Bucket: in, MaxKeys: aws.Int32(3)})
	for pages.HasMorePages() {
		for _, each := range must(pages.NextPage(ctx)).Contents {
			listed = append(listed, *each.Key)
		}
	}
	wanted := append([]string{}, keys...)
	sort.Strings(wanted)
	check(strings.Join(listed, "\n") == strings.Join(wanted, "\n"), "listing")
	big := bytes.Repeat([]byte("0123456789abcdef"), 11*1024*1024/16)
	must(manager.NewUploader(client).Upload(ctx, &s3.PutObjectInput{Bucket: in, Key: aws.String("big"), Body: bytes.NewReader(big)}))
	got := manager.NewWriteAtBuffer(nil)
	must(manager.NewDownloader(client).Download(ctx, got, &s3.GetObjectInput{Bucket: in, Key: aws.String("big")}))
	check(bytes.Equal(got.Bytes(), big), "multipart")
	must(client.CopyObject(ctx, &s3.CopyObjectInput{Bucket: in, Key: aws.String("copied"), CopySource: aws.String(bucket + "/big")}))
	link := must(s3.NewPresignClient(client).PresignGetObject(ctx, &s3.GetObjectInput{Bucket: in, Key: aws.String("copied")}))
	answer := must(http.Get(link.URL))
	check(answer.StatusCode == 200, "presigned")
	_, err := client.PutObject(ctx, &s3.PutObjectInput{Bucket: in, Key: aws.String("copied"), IfNoneMatch: aws.String("*")})
	check(err != nil && strings.Contains(err.Error(), "PreconditionFailed"), "If-None-Match")
	var gone []types.ObjectIdentifier
	for _, key := range append(keys, "big", "copied") {
		gone = append(gone, types.ObjectIdentifier{Key: aws.String(key)})
	}
	deleted := must(client.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: in, Delete: &types.Delete{Objects: gone}}))
	check(len(deleted.Errors) == 0 && len(deleted.Deleted) == len(gone), "deleting")
}
