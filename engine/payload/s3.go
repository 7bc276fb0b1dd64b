package payload

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// s3 is a bucket of an S3-compatible service, or a prefix of one.
type s3 struct {
	client *minio.Client
	bucket string
	prefix string // empty, or ends in a slash
}

// s3Tries is how often a request is sent before the caller hears that it
// failed; it waits and asks again itself.
const s3Tries = 3

// S3Options say where a bucket is.
type S3Options struct {
	// Endpoint is the service's host, with its port; Insecure speaks HTTP.
	Endpoint string
	Insecure bool
	Region   string // empty: asked of the service
	Bucket   string
	// Prefix is put before the names of all objects; empty for none.
	Prefix string
	// Credentials sign; nil takes those of the environment (AWS_ACCESS_KEY_ID,
	// AWS_SECRET_ACCESS_KEY), of the file of the AWS tools, or of the machine's
	// role, in this order.
	Credentials *credentials.Credentials
	// Transport carries the requests; nil is minio-go's own.
	Transport http.RoundTripper
}

// OpenS3 makes a bucket of one that exists. It asks nothing of the service yet.
func OpenS3(o S3Options) (Bucket, error) {
	if o.Credentials == nil {
		o.Credentials = credentials.NewChainCredentials([]credentials.Provider{
			&credentials.EnvAWS{}, &credentials.FileAWSCredentials{}, &credentials.IAM{},
		})
	}
	client, err := minio.New(o.Endpoint, &minio.Options{
		Creds: o.Credentials, Secure: !o.Insecure, Region: o.Region, Transport: o.Transport, MaxRetries: s3Tries,
	})
	if err != nil {
		return nil, fmt.Errorf("object storage at %s: %w", o.Endpoint, err)
	}
	b := &s3{client: client, bucket: o.Bucket}
	if p := strings.Trim(o.Prefix, "/"); p != "" {
		b.prefix = p + "/"
	}
	return b, nil
}

func (b *s3) Put(ctx context.Context, key string, value []byte) error {
	_, err := b.client.PutObject(ctx, b.bucket, b.prefix+key, bytes.NewReader(value), int64(len(value)), minio.PutObjectOptions{
		ContentType: "application/octet-stream", DisableMultipart: true,
	})
	return b.error(err)
}

func (b *s3) Get(ctx context.Context, key string, limit int64) ([]byte, error) {
	object, err := b.client.GetObject(ctx, b.bucket, b.prefix+key, minio.GetObjectOptions{})
	if err != nil {
		return nil, b.error(err)
	}
	defer object.Close()
	value, err := readUpTo(object, limit)
	return value, b.error(err)
}

func (b *s3) Size(ctx context.Context, key string) (int64, error) {
	info, err := b.client.StatObject(ctx, b.bucket, b.prefix+key, minio.StatObjectOptions{})
	return info.Size, b.error(err)
}

func (b *s3) Delete(ctx context.Context, key string) error {
	return b.error(b.client.RemoveObject(ctx, b.bucket, b.prefix+key, minio.RemoveObjectOptions{}))
}

func (b *s3) Folders(ctx context.Context, prefix string, do func(name string) error) error {
	return b.list(ctx, prefix, func(name string, _ time.Time) error {
		if name, ok := strings.CutSuffix(name, "/"); ok {
			return do(name)
		}
		return nil
	})
}

func (b *s3) List(ctx context.Context, prefix string, do func(name string, written time.Time) error) error {
	return b.list(ctx, prefix, func(name string, written time.Time) error {
		if strings.HasSuffix(name, "/") {
			return nil
		}
		return do(name, written)
	})
}

// list calls do with what is directly below a prefix; folders end in a slash.
func (b *s3) list(ctx context.Context, prefix string, do func(name string, written time.Time) error) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	for object := range b.client.ListObjectsIter(ctx, b.bucket, minio.ListObjectsOptions{Prefix: b.prefix + prefix}) {
		if object.Err != nil {
			return b.error(object.Err)
		}
		if err := do(strings.TrimPrefix(object.Key, b.prefix+prefix), object.LastModified); err != nil {
			return err
		}
	}
	return ctx.Err()
}

func (b *s3) Ping(ctx context.Context) error {
	there, err := b.client.BucketExists(ctx, b.bucket)
	if err == nil && !there {
		return fmt.Errorf("bucket %s does not exist", b.bucket)
	}
	return b.error(err)
}

// error is ErrMissing for an object that does not exist, and else says what the
// service said.
func (b *s3) error(err error) error {
	if err == nil {
		return nil
	}
	switch answer := minio.ToErrorResponse(err); answer.Code {
	case minio.NoSuchKey:
		return fmt.Errorf("%w (%s)", ErrMissing, answer.Key)
	case minio.NoSuchBucket:
		return fmt.Errorf("bucket %s does not exist", b.bucket)
	}
	return err
}
