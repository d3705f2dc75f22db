-- Generated from contracts/ by `sluice derive`; do not edit.
CREATE TABLE staging.tlc__zones (
    location_id BIGINT,
    borough TEXT,
    zone TEXT,
    service_zone TEXT,
    _row_number BIGINT NOT NULL,
    _dataset TEXT NOT NULL,
    _batch TEXT NOT NULL,
    _load_id BIGINT NOT NULL,
    _loaded_at TIMESTAMP WITH TIME ZONE NOT NULL
)
 PARTITION BY LIST (_batch);
COMMENT ON TABLE staging.tlc__zones IS 'The 265 taxi zones that trips name as places.';
COMMENT ON COLUMN staging.tlc__zones.location_id IS 'Number of the zone.';
COMMENT ON COLUMN staging.tlc__zones.borough IS 'Borough the zone lies in.';
COMMENT ON COLUMN staging.tlc__zones.zone IS 'Name of the zone.';
COMMENT ON COLUMN staging.tlc__zones.service_zone IS 'Which taxis may pick up there.';
COMMENT ON COLUMN staging.tlc__zones._row_number IS 'Row in the source, from 1.';
COMMENT ON COLUMN staging.tlc__zones._dataset IS 'Dataset the row belongs to.';
COMMENT ON COLUMN staging.tlc__zones._batch IS 'Batch that delivered the row.';
COMMENT ON COLUMN staging.tlc__zones._load_id IS 'Load of the batch, see ops.batches.';
COMMENT ON COLUMN staging.tlc__zones._loaded_at IS 'When it was loaded (UTC).';
