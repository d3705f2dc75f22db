-- Generated from contracts/ by `sluice derive`; do not edit.
CREATE TABLE staging.tlc__green_trips (
    vendor_id BIGINT,
    passenger_count BIGINT,
    trip_distance DOUBLE PRECISION,
    ratecode_id BIGINT,
    store_and_fwd_flag TEXT,
    pu_location_id BIGINT,
    do_location_id BIGINT,
    payment_type BIGINT,
    fare_amount NUMERIC(10, 2),
    extra NUMERIC(10, 2),
    mta_tax NUMERIC(10, 2),
    tip_amount NUMERIC(10, 2),
    tolls_amount NUMERIC(10, 2),
    improvement_surcharge NUMERIC(10, 2),
    total_amount NUMERIC(10, 2),
    congestion_surcharge NUMERIC(10, 2),
    cbd_congestion_fee NUMERIC(10, 2),
    lpep_pickup_datetime TIMESTAMP WITHOUT TIME ZONE,
    lpep_dropoff_datetime TIMESTAMP WITHOUT TIME ZONE,
    ehail_fee NUMERIC(10, 2),
    trip_type BIGINT,
    _row_number BIGINT NOT NULL,
    _dataset TEXT NOT NULL,
    _batch TEXT NOT NULL,
    _load_id BIGINT NOT NULL,
    _loaded_at TIMESTAMP WITH TIME ZONE NOT NULL
)
 PARTITION BY LIST (_batch);
COMMENT ON TABLE staging.tlc__green_trips IS 'Green (boro) taxi trips of New York City, as the TLC publishes them each month.';
COMMENT ON COLUMN staging.tlc__green_trips.vendor_id IS 'Technology provider: 1 Creative Mobile, 2 Curb Mobility, 6 Myle, 7 Helix; 4 in old files.';
COMMENT ON COLUMN staging.tlc__green_trips.passenger_count IS 'Passengers, as the driver entered them.';
COMMENT ON COLUMN staging.tlc__green_trips.trip_distance IS 'Distance that the taximeter recorded. Unit: mile.';
COMMENT ON COLUMN staging.tlc__green_trips.ratecode_id IS 'Final rate: 1 standard, 2 JFK, 3 Newark, 4 Nassau or Westchester, 5 negotiated, 6 group ride, 99 unknown.';
COMMENT ON COLUMN staging.tlc__green_trips.store_and_fwd_flag IS 'Y if the record waited in the vehicle for a connection, else N.';
COMMENT ON COLUMN staging.tlc__green_trips.pu_location_id IS 'Taxi zone where the meter was switched on.';
COMMENT ON COLUMN staging.tlc__green_trips.do_location_id IS 'Taxi zone where the meter was switched off.';
COMMENT ON COLUMN staging.tlc__green_trips.payment_type IS '0 flex fare, 1 credit card, 2 cash, 3 no charge, 4 dispute, 5 unknown, 6 voided trip.';
COMMENT ON COLUMN staging.tlc__green_trips.fare_amount IS 'Fare by time and distance, from the meter. Unit: USD.';
COMMENT ON COLUMN staging.tlc__green_trips.extra IS 'Extras and surcharges, such as rush hour and overnight. Unit: USD.';
COMMENT ON COLUMN staging.tlc__green_trips.mta_tax IS 'Tax that the metered rate triggers. Unit: USD.';
COMMENT ON COLUMN staging.tlc__green_trips.tip_amount IS 'Tip by credit card; cash tips are not recorded. Unit: USD.';
COMMENT ON COLUMN staging.tlc__green_trips.tolls_amount IS 'All tolls of the trip. Unit: USD.';
COMMENT ON COLUMN staging.tlc__green_trips.improvement_surcharge IS 'Improvement surcharge at flag drop, since 2015. Unit: USD.';
COMMENT ON COLUMN staging.tlc__green_trips.total_amount IS 'All that the passenger was charged, without cash tips. Unit: USD.';
COMMENT ON COLUMN staging.tlc__green_trips.congestion_surcharge IS 'State congestion surcharge, since February 2019. Unit: USD.';
COMMENT ON COLUMN staging.tlc__green_trips.cbd_congestion_fee IS 'Charge for the congestion relief zone, since 5 January 2025. Unit: USD.';
COMMENT ON COLUMN staging.tlc__green_trips.lpep_pickup_datetime IS 'When the meter was switched on, local New York time.';
COMMENT ON COLUMN staging.tlc__green_trips.lpep_dropoff_datetime IS 'When the meter was switched off, local New York time.';
COMMENT ON COLUMN staging.tlc__green_trips.ehail_fee IS 'E-hail fee; empty in all but a few records. Unit: USD.';
COMMENT ON COLUMN staging.tlc__green_trips.trip_type IS '1 street hail, 2 dispatch.';
COMMENT ON COLUMN staging.tlc__green_trips._row_number IS 'Row in the source, from 1.';
COMMENT ON COLUMN staging.tlc__green_trips._dataset IS 'Dataset the row belongs to.';
COMMENT ON COLUMN staging.tlc__green_trips._batch IS 'Batch that delivered the row.';
COMMENT ON COLUMN staging.tlc__green_trips._load_id IS 'Load of the batch, see ops.batches.';
COMMENT ON COLUMN staging.tlc__green_trips._loaded_at IS 'When it was loaded (UTC).';
