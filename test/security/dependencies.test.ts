import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'

interface Locked {
  readonly version?: string
  readonly integrity?: string
  readonly hasInstallScript?: boolean
  readonly dev?: boolean
  readonly optional?: boolean
  readonly peer?: boolean
  readonly devOptional?: boolean
}

const read = (name: string): unknown => JSON.parse(readFileSync(new URL(`../../${name}`, import.meta.url), 'utf8'))

describe('dependencies', () => {
  it('are few, pinned, and run nothing when they are installed', () => {
    const { dependencies } = read('package.json') as { dependencies: Record<string, string> }
    const { packages } = read('package-lock.json') as { packages: Record<string, Locked> }
    for (const [name, version] of Object.entries(dependencies)) {
      expect([name, version]).toEqual([name, expect.stringMatching(/^\d+\.\d+\.\d+$/)])
      expect([name, packages[`node_modules/${name}`]?.version]).toEqual([name, version])
    }
    const installed = Object.entries(packages).filter(
      ([path, { dev, peer, devOptional }]) => path !== '' && dev !== true && peer !== true && devOptional !== true,
    )
    // msgpackr brings an optional native part with its six platforms.
    expect(installed.filter(([, { optional }]) => optional !== true).length).toBeLessThanOrEqual(12)
    for (const [path, { integrity, optional }] of installed) {
      if (optional !== true) expect([path, integrity]).toEqual([path, expect.any(String)])
    }
    const scripted = installed.filter(
      ([, { hasInstallScript, optional }]) => hasInstallScript === true && optional !== true,
    )
    expect(scripted.map(([path]) => path)).toEqual([])
  })
})
