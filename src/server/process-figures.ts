import process from 'node:process'
import type { ProcessFigures } from '../frontends/admin/api.ts'

export function processFigures(version: string): ProcessFigures {
  const { user, system } = process.cpuUsage()
  const { rss, heapUsed } = process.memoryUsage()
  return {
    upSeconds: process.uptime(),
    cpuSeconds: (user + system) / 1e6,
    residentBytes: rss,
    heapBytes: heapUsed,
    version,
  }
}
