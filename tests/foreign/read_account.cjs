// Reads an account with the AWS SDK for JavaScript v3 and prints what it saw as one JSON document on stdout.
// A Date is printed as {"Date": "2026-03-02T09:00:00.000Z"}, so that a time that came as anything else shows.
"use strict";

const sdk = require("@aws-sdk/client-iot");

const iot = new sdk.IoTClient({
  endpoint: process.env.EMULATOR,
  region: "eu-west-1",
  credentials: { accessKeyId: "any", secretAccessKey: "thing" },
  maxAttempts: 1,
});

async function all(paginate, input, member) {
  const items = [];
  // A copy, because the SDK writes the token of the next page into the input that it was given.
  for await (const page of paginate({ client: iot, pageSize: 2 }, { ...input })) {
    items.push(...page[member]);
  }
  return items;
}

async function send(command) {
  const { $metadata, ...answer } = await iot.send(command);
  return answer;
}

async function refusal(command) {
  try {
    await iot.send(command);
  } catch (error) {
    return {
      name: error.name,
      ofItsClass: sdk[error.name] !== undefined && error instanceof sdk[error.name],
      ofTheService: error instanceof sdk.IoTServiceException,
      fault: error.$fault,
      status: error.$metadata.httpStatusCode,
      withRequestId: Boolean(error.$metadata.requestId),
      message: error.message,
      resourceArn: error.resourceArn,
    };
  }
  throw new Error(`${command.constructor.name} was not refused`);
}

function tagDates(key, value) {
  return this[key] instanceof Date ? { Date: this[key].toISOString() } : value;
}

async function main() {
  const span = { startTime: new Date("2026-03-01T00:00:00Z"), endTime: new Date("2026-03-20T00:00:00Z") };
  const tasks = await all(sdk.paginateListAuditTasks, span, "tasks");
  const schedules = await all(sdk.paginateListScheduledAudits, {}, "scheduledAudits");
  const findings = await all(sdk.paginateListAuditFindings, span, "findings");
  const suppressions = await all(sdk.paginateListAuditSuppressions, {}, "suppressions");
  const seen = {
    configuration: await send(new sdk.DescribeAccountAuditConfigurationCommand({})),
    tasks,
    audits: await Promise.all(tasks.map(({ taskId }) => send(new sdk.DescribeAuditTaskCommand({ taskId })))),
    schedules,
    scheduled: await Promise.all(
      schedules.map(({ scheduledAuditName }) => send(new sdk.DescribeScheduledAuditCommand({ scheduledAuditName }))),
    ),
    findings,
    finding: await send(new sdk.DescribeAuditFindingCommand({ findingId: findings[0].findingId })),
    suppressions,
    suppressed: await Promise.all(
      suppressions.map(({ checkName, resourceIdentifier }) =>
        send(new sdk.DescribeAuditSuppressionCommand({ checkName, resourceIdentifier })),
      ),
    ),
    action: await send(new sdk.DescribeMitigationActionCommand({ actionName: "Deactivate" })),
    refusals: {
      unknown: await refusal(new sdk.DescribeAuditTaskCommand({ taskId: "0".repeat(32) })),
      neither: await refusal(new sdk.ListAuditFindingsCommand({})),
      tooMany: await refusal(new sdk.ListAuditTasksCommand({ ...span, maxResults: 251 })),
      again: await refusal(
        new sdk.CreateScheduledAuditCommand({
          scheduledAuditName: schedules[0].scheduledAuditName,
          frequency: "DAILY",
          targetCheckNames: ["LOGGING_DISABLED_CHECK"],
        }),
      ),
      notConfigured: await refusal(new sdk.GetV2LoggingOptionsCommand({})),
    },
  };
  process.stdout.write(JSON.stringify(seen, tagDates));
}

main().catch((error) => {
  process.stderr.write(`${error.stack}\n`);
  process.exit(1);
});
