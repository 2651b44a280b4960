package testserver

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// openSearchJDK is the newest JDK of this machine, and the newest OpenSearch it runs
// whose security plugin is published.
type openSearchJDK struct {
	home    string
	version string // of OpenSearch
}

var javaVersion = regexp.MustCompile(`version "(\d+)`)

// findJDK looks for the newest JDK in JAVA_HOME, where Debian puts them, and in PATH.
func findJDK(t testing.TB) openSearchJDK {
	t.Helper()
	homes, _ := filepath.Glob("/usr/lib/jvm/*")
	homes = append(homes, os.Getenv("JAVA_HOME"))
	if path, err := exec.LookPath("javac"); err == nil {
		if real, err := filepath.EvalSymlinks(path); err == nil {
			homes = append(homes, filepath.Dir(filepath.Dir(real)))
		}
	}
	best, home := 0, ""
	for _, h := range homes {
		if _, err := os.Stat(filepath.Join(h, "bin", "javac")); h == "" || err != nil {
			continue
		}
		out, err := exec.Command(filepath.Join(h, "bin", "java"), "-version").CombinedOutput()
		if m := javaVersion.FindSubmatch(out); err == nil && m != nil {
			if n, _ := strconv.Atoi(string(m[1])); n > best {
				best, home = n, h
			}
		}
	}
	switch {
	case best >= 21:
		return openSearchJDK{home, "3.4.0"}
	case best >= 17:
		return openSearchJDK{home, "2.19.4"}
	}
	Unavailable(t, "no JDK 17 or later")
	return openSearchJDK{}
}

// openSearchModule is a part of the server that is published on its own.
type openSearchModule struct{ name, artifact, class, extends string }

var openSearchModules = []openSearchModule{
	{"transport-netty4", "transport-netty4-client", "org.opensearch.transport.Netty4", ""},
	{"ingest-common", "ingest-common", "org.opensearch.ingest.common.IngestCommon", "lang-painless"},
	{"lang-painless", "lang-painless", "org.opensearch.painless.Painless", ""},
	{"reindex", "reindex-client", "org.opensearch.index.reindex.Reindex", ""},
	{"mapper-extras", "mapper-extras-client", "org.opensearch.index.mapper.MapperExtras", ""},
	{"analysis-common", "analysis-common", "org.opensearch.analysis.common.CommonAnalysis", "lang-painless"},
}

// installOpenSearch returns the folder of a release: lib, modules, security and the
// launcher, from Maven's artifacts.
func installOpenSearch(t testing.TB, jdk openSearchJDK) string {
	t.Helper()
	return Install(t, "opensearch-"+jdk.version, func(dir string) error {
		if err := jdk.fetch(dir); err != nil {
			return err
		}
		if err := jdk.fetchSecurity(filepath.Join(dir, "security")); err != nil {
			return err
		}
		launcher := filepath.Join(dir, "launcher")
		source := filepath.Join(launcher, "RunNode.java")
		if err := writeFiles(map[string]string{source: openSearchLauncher}); err != nil {
			return err
		}
		return Run(exec.Command(filepath.Join(jdk.home, "bin", "javac"), "-nowarn", "-cp", filepath.Join(dir, "lib", "*"), "-d", launcher, source))
	})
}

// fetch has Maven fetch the server and its modules.
func (j openSearchJDK) fetch(dir string) error {
	loader, log4j, suffix := j.version, "2.21.0", "ModulePlugin"
	if strings.HasPrefix(j.version, "2.") {
		// Not every patch release of the class loader is published; any of the line does.
		loader, suffix = "2.19.6", "Plugin"
	}
	work := filepath.Join(dir, "work")
	files := map[string]string{filepath.Join(work, "server", "pom.xml"): mavenProject("server", mavenDependency("org.opensearch", "opensearch", j.version, "compile")+
		mavenDependency("org.opensearch", "opensearch-plugin-classloader", loader, "compile")+
		mavenDependency("org.apache.logging.log4j", "log4j-core", log4j, "compile"), "")}
	list := "<module>server</module>"
	for _, m := range openSearchModules {
		files[filepath.Join(work, m.name, "pom.xml")] = mavenProject(m.name, mavenDependency("org.opensearch", "opensearch", j.version, "provided")+
			mavenDependency("org.opensearch.plugin", m.artifact, j.version, "compile"), "")
		list += "<module>" + m.name + "</module>"
	}
	files[filepath.Join(work, "pom.xml")] = mavenProject("all", "", "<packaging>pom</packaging><modules>"+list+"</modules>")
	if err := writeFiles(files); err != nil {
		return err
	}
	if err := j.maven(work, "copy-dependencies", "-DincludeScope=runtime", "-DoutputDirectory=${project.basedir}/jars"); err != nil {
		return err
	}
	lib := filepath.Join(dir, "lib")
	if err := os.Rename(filepath.Join(work, "server", "jars"), lib); err != nil {
		return err
	}
	for _, m := range openSearchModules {
		to := filepath.Join(dir, "modules", m.name)
		if err := os.MkdirAll(to, 0o700); err != nil {
			return err
		}
		jars, _ := filepath.Glob(filepath.Join(work, m.name, "jars", "*.jar"))
		for _, jar := range jars {
			// One class twice on a class path is refused.
			if _, err := os.Stat(filepath.Join(lib, filepath.Base(jar))); err == nil {
				continue
			}
			if err := os.Rename(jar, filepath.Join(to, filepath.Base(jar))); err != nil {
				return err
			}
		}
		if err := writeFiles(map[string]string{filepath.Join(to, "plugin-descriptor.properties"): fmt.Sprintf(
			"name=%s\ndescription=%[1]s\nversion=%s\nopensearch.version=%[2]s\njava.version=11\nclassname=%s%s\nextended.plugins=%s\nhas.native.controller=false\n",
			m.name, j.version, m.class, suffix, m.extends)}); err != nil {
			return err
		}
	}
	return os.RemoveAll(work)
}

// fetchSecurity has Maven fetch the security plugin.
func (j openSearchJDK) fetchSecurity(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if err := j.maven(dir, "copy", "-Dartifact=org.opensearch.plugin:opensearch-security:"+j.version+".0:zip", "-DoutputDirectory=."); err != nil {
		return err
	}
	archive := filepath.Join(dir, "opensearch-security-"+j.version+".0.zip")
	unpack := exec.Command(filepath.Join(j.home, "bin", "jar"), "xf", archive)
	unpack.Dir = dir
	if err := Run(unpack); err != nil {
		return err
	}
	if err := os.Remove(archive); err != nil {
		return err
	}
	// It extends a module that is not published, of which only one library is needed.
	descriptor := filepath.Join(dir, "plugin-descriptor.properties")
	text, err := os.ReadFile(descriptor)
	if err != nil {
		return err
	}
	lines := strings.Split(string(text), "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, "extended.plugins=") {
			lines[i] = "extended.plugins="
		}
	}
	if err := writeFiles(map[string]string{descriptor: strings.Join(lines, "\n")}); err != nil {
		return err
	}
	if there, _ := filepath.Glob(filepath.Join(dir, "commons-collections4-*.jar")); len(there) > 0 {
		return nil
	}
	return j.maven(dir, "copy", "-Dartifact=org.apache.commons:commons-collections4:4.4", "-DoutputDirectory=.")
}

// maven runs one goal of the plugin that copies artifacts.
func (j openSearchJDK) maven(dir, goal string, args ...string) error {
	cmd := exec.Command("mvn", append([]string{"-B", "-q", "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:" + goal}, args...)...)
	cmd.Dir = dir
	return Run(cmd, "JAVA_HOME="+j.home)
}

func mavenDependency(group, artifact, version, scope string) string {
	return fmt.Sprintf("<dependency><groupId>%s</groupId><artifactId>%s</artifactId><version>%s</version><scope>%s</scope></dependency>", group, artifact, version, scope)
}

func mavenProject(name, dependencies, more string) string {
	if dependencies != "" {
		dependencies = "<dependencies>" + dependencies + "</dependencies>"
	}
	return `<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion><groupId>local</groupId><artifactId>` + name +
		`</artifactId><version>1</version>` + dependencies + more + `</project>`
}

// writeFiles writes files, by path, and makes their folders.
func writeFiles(files map[string]string) error {
	for path, text := range files {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// openSearchLauncher starts a node as the server's own main class does, which
// refuses to run as root.
const openSearchLauncher = `
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.opensearch.common.logging.LogConfigurator;
import org.opensearch.common.settings.Settings;
import org.opensearch.env.Environment;
import org.opensearch.node.InternalSettingsPreparer;
import org.opensearch.node.Node;

public class RunNode {
  public static void main(String[] args) throws Exception {
    Path home = Path.of(args[0]);
    Settings settings = Settings.builder().put("path.home", home.toString()).build();
    Environment env = InternalSettingsPreparer.prepareEnvironment(settings, Map.of(), home.resolve("config"), () -> "node-1");
    LogConfigurator.setNodeName("node-1");
    LogConfigurator.configure(env);
    Node node = new Node(env);
    Runtime.getRuntime().addShutdownHook(new Thread(() -> {
      try {
        node.close();
        node.awaitClose(20, TimeUnit.SECONDS);
      } catch (Exception e) {
        e.printStackTrace();
      }
    }));
    try {
      node.start();
    } catch (Throwable t) {
      t.printStackTrace();
      System.exit(1);
    }
    Thread.currentThread().join(); // the node's own threads are daemons
  }
}
`
