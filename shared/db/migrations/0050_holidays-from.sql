ALTER TABLE "calendars" ADD COLUMN "holidays_read" jsonb;--> statement-breakpoint
ALTER TABLE "calendars" ADD COLUMN "holidays_etag" text;--> statement-breakpoint
ALTER TABLE "calendars" ADD COLUMN "holidays_version" integer;--> statement-breakpoint
ALTER TABLE "calendars" ADD COLUMN "holidays_look_at" timestamp(6) with time zone;--> statement-breakpoint
ALTER TABLE "calendars" ADD COLUMN "days" jsonb GENERATED ALWAYS AS (
      CASE WHEN definition ? 'holidaysFrom' THEN jsonb_set(definition, '{holidays}',
        coalesce(definition -> 'holidays', '[]'::jsonb) || coalesce(holidays_read, '[]'::jsonb)) ELSE definition END) STORED;--> statement-breakpoint
CREATE INDEX "calendars_reading" ON "calendars" USING btree ("holidays_look_at") WHERE definition ? 'holidaysFrom';