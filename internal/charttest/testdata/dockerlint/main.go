// Command dockerlint prints what BuildKit's own checks say of the Dockerfile on standard
// input, one finding on a line, and exits with 1 if there is any.
package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/dockerfile/dockerfile2llb"
	"github.com/moby/buildkit/frontend/dockerui"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// bases stands for a registry: every image is there, for every platform, and empty.
type bases struct{}

func (bases) ResolveImageConfig(_ context.Context, ref string, opt sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	p := ocispecs.Platform{OS: "linux", Architecture: "amd64"}
	if opt.ImageOpt != nil && opt.ImageOpt.Platform != nil {
		p = *opt.ImageOpt.Platform
	}
	return ref, "", fmt.Appendf(nil, `{"os":%q,"architecture":%q,"rootfs":{"type":"layers"},"config":{}}`, p.OS, p.Architecture), nil
}

func main() {
	text, err := io.ReadAll(os.Stdin)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	findings := 0
	for _, arch := range []string{"amd64", "arm64"} {
		target := ocispecs.Platform{OS: "linux", Architecture: arch}
		results, err := dockerfile2llb.DockerfileLint(context.Background(), text, dockerfile2llb.ConvertOpt{
			Config: dockerui.Config{
				BuildPlatforms:  []ocispecs.Platform{{OS: "linux", Architecture: "amd64"}},
				TargetPlatforms: []ocispecs.Platform{target},
			},
			TargetPlatform: &target, MetaResolver: bases{},
			SourceMap: &llb.SourceMap{Definition: new(llb.Definition), Filename: "Dockerfile", Language: "Dockerfile", Data: text},
		})
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		for _, w := range results.Warnings {
			findings++
			fmt.Printf("%s: %s: %s\n", arch, w.RuleName, w.Detail)
		}
		if results.Error != nil {
			findings++
			fmt.Printf("%s: %s\n", arch, results.Error.Message)
		}
	}
	if findings > 0 {
		os.Exit(1)
	}
}
