import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'

/** What the declarations of bullmq 5.81.5 offer to applications; left out: what BullMQ's own classes call of each other. */
const BULLMQ: Readonly<Record<string, string>> = {
  Queue:
    'add addBulk addJobLog clean close defaultJobOptions drain exportPrometheusMetrics getActive getActiveCount getCompleted getCompletedCount getCountsPerPriority getDebounceJobId getDeduplicationJobId getDelayed getDelayedCount getDependencies getFailed getFailedCount getGlobalConcurrency getGlobalRateLimit getJob getJobCountByTypes getJobCounts getJobLogs getJobScheduler getJobSchedulers getJobSchedulersCount getJobState getJobs getMeta getMetrics getPrioritized getPrioritizedCount getQueueEvents getRateLimitTtl getRepeatableJobs getVersion getWaiting getWaitingChildren getWaitingChildrenCount getWaitingCount getWorkers getWorkersCount isMaxed isPaused obliterate pause promoteJobs rateLimit remove removeDebounceKey removeDeduplicationKey removeGlobalConcurrency removeGlobalRateLimit removeJobScheduler removeOrphanedJobs removeRateLimitKey removeRepeatable removeRepeatableByKey repeat resume retryJobs setGlobalConcurrency setGlobalRateLimit trimEvents updateJobProgress upsertJobScheduler',
  Worker:
    'RateLimitError cancelAllJobs cancelJob close concurrency delay getNextJob isPaused pause rateLimit repeat resume startStalledCheckTimer waitUntilReady',
  Job: 'addJobLog changeDelay changePriority clearLogs discard extendLock fromId getChildrenValues getDependencies getDependenciesCount getFailedChildrenValues getIgnoredChildrenFailures getState isActive isCompleted isDelayed isFailed isWaiting isWaitingChildren log moveToCompleted moveToDelayed moveToFailed moveToWait moveToWaitingChildren prefix promote queueName remove removeChildDependency removeDeduplicationKey removeUnprocessedChildren retry updateData updateProgress waitUntilFinished',
  FlowProducer: 'add addBulk close disconnect getFlow waitUntilReady',
  QueueEvents: 'close',
  options:
    'attempts autorun backoff children concurrency connection continueParentOnFailure data debounce deduplication defaultJobOptions delay drainDelay every extend failParentOnFailure id ignoreDependencyOnFailure immediately jobId keepLastIfActive keepLogs lifo limit limiter lockDuration lockRenewTime maxStalledCount maxStartedAttempts maximumRateLimitDelay opts pattern prefix priority queueName removeDependencyOnFailure removeOnComplete removeOnFail repeat replace runRetryDelay sizeLimit skipLockRenewal skipMetasUpdate skipStalledCheck skipVersionCheck skipWaitingForReady stackTraceLimit stalledInterval streams telemetry timestamp ttl useWorkerThreads',
}

const page = readFileSync(new URL('../../docs/migrate/from-bullmq.md', import.meta.url), 'utf8').replaceAll(
  /^```[\s\S]*?^```/gm,
  '',
)

it.each(Object.keys(BULLMQ))('says what becomes of each of the %s of BullMQ', (of) => {
  const code = new Set(page.match(/`[^`]+`/g)?.flatMap((span) => span.match(/\w+/g) ?? []))
  expect((BULLMQ[of] ?? '').split(' ').filter((name) => !code.has(name))).toEqual([])
})
