/** Import structure of the package. */

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

type Graph = ReadonlyMap<string, readonly string[]>;

/** The modules that each module imports or re-exports from, also only as types. */
function importGraph(directory: string): Graph {
  const modules = readdirSync(directory).filter((file) => file.endsWith(".ts"));
  return new Map(
    modules.map((file) => {
      const imports = readFileSync(join(directory, file), "utf8").matchAll(/^(?:import|export)\b[^;]*?\bfrom "\.\/(\w+)\.js";/gm);
      return [file.replace(/\.ts$/, ""), Array.from(imports, (match) => match[1]!)];
    }),
  );
}

/** A path that leads from a module back to itself, if there is one. */
function findCycle(graph: Graph): string[] | undefined {
  const acyclic = new Set<string>();
  const visit = (path: string[]): string[] | undefined => {
    const module = path.at(-1)!;
    if (path.indexOf(module) < path.length - 1) return path;
    for (const next of graph.get(module) ?? []) {
      const cycle = acyclic.has(next) ? undefined : visit([...path, next]);
      if (cycle) return cycle;
    }
    acyclic.add(module);
    return undefined;
  };
  for (const module of graph.keys()) {
    const cycle = visit([module]);
    if (cycle) return cycle;
  }
  return undefined;
}

test("modules do not import each other in cycles", () => {
  const graph = importGraph(join(process.cwd(), "src"));
  assert.ok(graph.get("client")?.includes("run"));
  assert.deepEqual(findCycle(graph), undefined);
});

test("the check detects a cycle", () => {
  assert.deepEqual(findCycle(new Map([["a", ["b"]], ["b", ["c"]], ["c", ["b"]]])), ["a", "b", "c", "b"]);
});
