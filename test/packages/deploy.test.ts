// deploy/: the manifests by Kubernetes' own types, and against cria: its flags, its metrics, its times. The Dockerfile likewise.

import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { parse, parseAllDocuments } from "yaml";
import type { QueueWorker } from "../../dist/adapters/bullmq/index.js";
import { parseArguments } from "../../dist/cli/arguments.js";
import { commands } from "../../dist/cli/commands.js";
import { WorkerStatus } from "../../dist/cli/worker-status.js";
import { Metrics } from "../../dist/server/metrics.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
const textOf = (path: string) => readFileSync(join(root, path), "utf8");
const description = JSON.parse(textOf("package.json"));

const folders = readdirSync(join(root, "deploy/kubernetes"));
interface Container {
  readonly image: string;
  readonly args: readonly string[];
  readonly resources: { readonly requests: object; readonly limits: { readonly cpu: string } };
  readonly securityContext: object;
  readonly lifecycle?: { readonly preStop: { readonly exec: { readonly command: readonly string[] } } };
}
interface Pod {
  readonly containers: readonly Container[];
  readonly securityContext: object;
  readonly terminationGracePeriodSeconds?: number;
}
interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  // biome-ignore lint/suspicious/noExplicitAny: whatever the kind has
  readonly spec?: any;
}
const documents = (text: string): Manifest[] => parseAllDocuments(text).map((one) => one.toJS());
const kustomization = (folder: string) => parse(textOf(`deploy/kubernetes/${folder}/kustomization.yaml`));
const manifests = folders.flatMap((folder) =>
  (kustomization(folder).resources as string[]).flatMap((name) =>
    documents(textOf(`deploy/kubernetes/${folder}/${name}`)).map((manifest) => ({
      place: `${folder}/${name}`,
      manifest,
    })),
  ),
);
const pods = manifests
  .filter(({ manifest }) => manifest.spec?.template !== undefined)
  .map(({ place, manifest }) => [place, manifest.spec.template.spec as Pod] as const);
const criaContainers = pods.flatMap(([place, pod]) =>
  pod.containers.filter(({ image }) => image === "cria").map((container) => ({ place, pod, container })),
);

/** What the types of Kubernetes 1.30 find wrong, by the TypeScript compiler: unknown names, missing ones, wrong values. */
function complaints(name: string, all: readonly Manifest[]): string {
  const folder = join(root, "build", name);
  mkdirSync(folder, { recursive: true });
  const lines = all.map((manifest, i) => {
    const group = manifest.apiVersion.includes("/") ? manifest.apiVersion.replace(/\.k8s\.io/, "") : "core/v1";
    return `export const manifest${i}: import("kubernetes-types/${group}").${manifest.kind} = ${JSON.stringify(manifest, null, 2)};`;
  });
  writeFileSync(join(folder, "manifests.mts"), lines.join("\n"));
  const options = {
    strict: true,
    noEmit: true,
    module: "ESNext",
    moduleResolution: "bundler",
    types: [],
    skipLibCheck: true,
  };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions: options, include: ["*.mts"] }));
  const compiler = join(root, "node_modules", "typescript", "bin", "tsc");
  return spawnSync(process.execPath, [compiler, "-p", folder], { encoding: "utf8" }).stdout;
}

describe("the manifests", () => {
  it("are right by Kubernetes' types", () => {
    expect(manifests.map(({ manifest }) => manifest.kind).sort()).toEqual(
      [
        ...["Deployment", "Deployment", "HorizontalPodAutoscaler", "HorizontalPodAutoscaler", "Job"],
        ...["PodDisruptionBudget", "PodDisruptionBudget", "Service", "Service", "StatefulSet"],
      ].sort(),
    );
    expect(
      complaints(
        "deploy",
        manifests.map(({ manifest }) => manifest),
      ),
    ).toBe("");
  });

  it("would not be with a misspelt, a missing or a wrong field", () => {
    const { manifest } = manifests.find(({ manifest }) => manifest.kind === "Deployment")!;
    const changed = (change: (spec: Manifest["spec"]) => void) => {
      const copy = structuredClone(manifest);
      change(copy.spec);
      return copy;
    };
    const wrong = [
      changed((spec) => {
        spec.template.spec.containers[0].readinesProbe = {};
      }),
      changed((spec) => {
        delete spec.selector;
      }),
      changed((spec) => {
        spec.replicas = "2";
      }),
    ];
    const found = complaints("deploy-wrong", wrong);
    expect(found.match(/error TS/g)).toHaveLength(3);
    for (const name of ["readinesProbe", "selector", "type 'number'"]) expect(found).toContain(name);
  });

  it("are right by Kubernetes' JSON schemas, which know what a type cannot say", async () => {
    const problemsOf = async ({ apiVersion, kind, ...rest }: Manifest): Promise<string> => {
      const group = apiVersion.replace(/\.k8s\.io/, "");
      const { [kind]: Kind } = await import(/* @vite-ignore */ `kubernetes-models/${group}/${kind}`);
      try {
        new Kind({ apiVersion, kind, ...rest }).validate();
        return "";
      } catch (error) {
        return (error as Error).message;
      }
    };
    for (const { place, manifest } of manifests) expect([place, await problemsOf(manifest)]).toEqual([place, ""]);
    const wrong = structuredClone(manifests.find(({ manifest }) => manifest.kind === "Deployment")!.manifest);
    wrong.spec.replicas = 1.5;
    wrong.spec.template.spec.containers[0].resources.limits.memory = "4 gigabytes";
    const found = await problemsOf(wrong);
    expect(found).toContain("replicas must be integer");
    expect(found).toMatch(/limits\/memory must match/);
  });

  it("select the pods that they mean, and scale what there is", () => {
    for (const { place, manifest } of manifests) {
      const folder = place.split("/")[0]!;
      const here = manifests.filter((one) => one.place.startsWith(`${folder}/`)).map((one) => one.manifest);
      const labels = here.find(({ spec }) => spec.template !== undefined)?.spec.template.metadata.labels;
      const selector = manifest.spec.selector?.matchLabels ?? manifest.spec.selector;
      if (selector !== undefined) expect([place, labels]).toEqual([place, selector]);
      const target = manifest.spec.scaleTargetRef;
      if (target === undefined) continue;
      const scaled = here.find(({ kind }) => kind === target.kind) as unknown as { metadata: { name: string } };
      expect(scaled.metadata.name).toBe(target.name);
    }
  });

  it.each(criaContainers.map(({ place, container }) => [place, container] as const))(
    "%s runs a command of cria with options that it has",
    async (_, { args }) => {
      const [name, ...rest] = args;
      const command = await commands[name!]!.load();
      const { values, positionals } = parseArguments(rest, command.options);
      expect(Object.keys(values).length).toBeGreaterThan(0);
      expect(positionals.length).toBe(name === "embed" ? 1 : 0);
    },
  );

  it("end no pod before it has drained", () => {
    for (const { place, pod, container } of criaContainers) {
      const drain = Number(/--drain=(\d+)/.exec(container.args.join(" "))?.[1] ?? 0);
      const pause = Number(container.lifecycle?.preStop.exec.command[1] ?? 0);
      expect([place, pod.terminationGracePeriodSeconds ?? 30]).toEqual([place, expect.any(Number)]);
      if (drain > 0) expect(pod.terminationGracePeriodSeconds!).toBeGreaterThanOrEqual(pause + drain + 10);
    }
  });

  it("run as nobody in particular, on read-only disks, with guaranteed resources", () => {
    expect(pods.length).toBe(4);
    for (const [place, { securityContext, containers }] of pods) {
      expect([place, securityContext]).toEqual([place, expect.objectContaining({ runAsNonRoot: true })]);
      for (const { securityContext: own, resources } of containers) {
        const wanted = {
          readOnlyRootFilesystem: true,
          allowPrivilegeEscalation: false,
          capabilities: { drop: ["ALL"] },
        };
        expect([place, own]).toEqual([place, wanted]);
        expect([place, resources.requests]).toEqual([place, resources.limits]);
      }
    }
    // The static policy gives processors of their own to pods that ask for whole ones.
    for (const { place, container } of criaContainers.filter(({ container: { args } }) => args[0] !== "embed")) {
      expect([place, container.resources.limits.cpu]).toEqual([place, expect.stringMatching(/^\d+$/)]);
    }
  });

  it("watch paths that there are", () => {
    const paths = manifests.flatMap(({ manifest }) => [...JSON.stringify(manifest).matchAll(/"path":"(\/[^"]*)"/g)]);
    expect(new Set(paths.map(([, path]) => path))).toEqual(new Set(["/ready", "/health"]));
  });

  it("scale by metrics that cria has, and by no other", async () => {
    const served = await new Metrics(() => []).text();
    const status = new WorkerStatus(false);
    status.worker = { ready: true, running: 0, counts: async () => ({ waiting: 3 }) } as unknown as QueueWorker;
    const worked = await status.metrics();
    expect(worked).toContain('cria_queue_jobs{state="waiting"} 3');
    const known = new Set([...`${served}\n${worked}`.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name));
    const asked = manifests
      .flatMap(({ manifest }) => [...JSON.stringify(manifest).matchAll(/"metric":\{"name":"([^"]+)"/g)])
      .map(([, name]) => name!);
    expect(asked.sort()).toEqual(["cria_queue_jobs", "cria_requests_waiting"]);
    const { rules } = parse(textOf("deploy/prometheus-adapter.yaml"));
    const series = [...rules.custom, ...rules.external].map((rule) => /^\w+/.exec(rule.seriesQuery)![0]);
    expect(series.sort()).toEqual(asked);
    for (const name of asked) expect(known).toContain(name);
  });

  it("name an image of this version, and models as --models reads them", () => {
    for (const folder of folders) {
      const { images = [] } = kustomization(folder);
      for (const { newTag } of images) expect(newTag).toBe(description.version);
    }
    for (const [name, { model, ...options }] of Object.entries<{ model: string }>(
      parse(textOf("deploy/kubernetes/serve/models.yaml")),
    )) {
      expect([name, model]).toEqual([name, expect.stringMatching(/^hf:/)]);
      expect(Object.keys(options).sort()).toEqual(["contextSize", "sequences"]);
    }
  });

  const hasKubectl = spawnSync("kubectl", ["kustomize", "--help"]).status === 0;
  it.skipIf(!hasKubectl)(`are put together by kustomize${hasKubectl ? "" : " (kubectl is not installed)"}`, () => {
    const everything: Manifest[] = [];
    for (const folder of folders) {
      const built = spawnSync("kubectl", ["kustomize", join(root, "deploy/kubernetes", folder)], { encoding: "utf8" });
      expect([folder, built.stderr]).toEqual([folder, ""]);
      const all = documents(built.stdout);
      everything.push(...all);
      const text = JSON.stringify(all);
      if (folder !== "redis") expect(text).toContain(`"image":"cria:${description.version}"`);
      // Generated names came to where they are used.
      expect(text).not.toMatch(/"configMap":\{"name":"cria-models"\}|"secretKeyRef":\{[^}]*"name":"cria-queue"[,}]/);
    }
    expect(complaints("deploy-kustomize", everything)).toBe("");
  });
});

describe("the Dockerfile", () => {
  const lines = textOf("deploy/Dockerfile")
    .replace(/^#.*\n/gm, "")
    .replace(/\\\n/g, " ")
    .split("\n")
    .filter((line) => line !== "");
  const stages = lines.join("\n").split(/^FROM /m);
  const last = stages.at(-1)!;
  const argumentOf = (instruction: string, text = last) => new RegExp(`^${instruction} (.*)$`, "m").exec(text)?.[1];

  it("has stages, of which the last has neither sources nor a root user, and watches itself", () => {
    expect(stages).toHaveLength(4);
    expect(last).not.toMatch(/^RUN npm|^COPY (?!--from=install)/m);
    expect(argumentOf("USER")).toMatch(/^1000:/);
    expect(argumentOf("HEALTHCHECK")).toContain("/health");
  });

  it("starts the package's command, with options that it has", async () => {
    const entry = JSON.parse(argumentOf("ENTRYPOINT")!) as string[];
    expect(entry).toEqual(["node", join("/app/node_modules/cria", description.bin.cria)]);
    const [name, ...args] = JSON.parse(argumentOf("CMD")!) as string[];
    const { options } = await commands[name!]!.load();
    expect(parseArguments(args, options).values).toEqual({ host: "0.0.0.0" });
  });

  it("installs the packages of the queue in versions that cria/bullmq takes", () => {
    const [, bullmq, ioredis] = /bullmq@(\d+) ioredis@(\d+)/.exec(lines.join("\n"))!;
    expect(description.peerDependencies.bullmq).toBe(`^${bullmq}.0.0`);
    expect(description.devDependencies.ioredis).toMatch(new RegExp(`^${ioredis}\\.`));
  });
});
