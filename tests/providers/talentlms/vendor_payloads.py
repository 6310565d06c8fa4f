"""Payloads as the vendor documents them; hosts and keys are invented."""

SECRET = "5ecret0f0ne0click0login0abcde0"
SIGNED = "https://portal.example/download/certificate?signature=abcdef0123456789"
PUBLIC = "https://portal.example/share/certificate/49471362567302"

USER = {
    "id": "1",
    "login": "dummy",
    "first_name": "Dummy",
    "last_name": "Dummy",
    "email": "dummy@example.com",
    "restrict_email": "0",
    "user_type": "Learner-Type",
    "timezone": "(GMT +02:00) Athens, Istanbul, Minsk",
    "language": "English",
    "status": "active",
    "deactivation_date": "",
    "level": "1",
    "points": "0",
    "credits": "0",
    "created_on": "17/07/2012, 15:29:25",
    "last_updated": "27/02/2018, 17:04:31",
    "last_updated_timestamp": "1519743871",
    "avatar": "https://portal.example/avatar.png",
    "bio": None,
    "login_key": f"https://portal.example/index/autologin/key:{SECRET}",
    "custom_field_1": "Oslo",
    "courses": [
        {
            "id": "1",
            "name": "Social media",
            "role": "learner",
            "enrolled_on": "06/09/2013, 13:24:52",
            "enrolled_on_timestamp": "1378463092",
            "completed_on": "",
            "completed_on_timestamp": "",
            "completion_status": "not_attempted",
            "completion_status_formatted": "Not Started",
            "completion_percentage": "0",
            "expired_on": "",
            "expired_on_timestamp": "",
            "total_time": "7m 31s",
            "total_time_seconds": 451,
            "last_accessed_unit_url": "https://portal.example/course/lastaccessedunit/course_id:1,user_id:1",
        }
    ],
    "branches": [{"id": "1", "name": "North"}],
    "groups": [{"id": "1", "name": "New hires"}],
    "certifications": [
        {
            "course_id": "12",
            "course_name": "Intro to TalentLMS",
            "unique_id": "49471362567302",
            "issued_date": "18/04/2013",
            "issued_date_timestamp": 1366286579,
            "expiration_date": "Never",
            "expiration_date_timestamp": 0,
            "download_url": SIGNED,
            "public_url": PUBLIC,
        }
    ],
    "badges": [],
}

COURSE = {
    "id": "12",
    "name": "Intro to TalentLMS",
    "code": "",
    "category_id": "3",
    "description": "A first look",
    "price": "&#36;0.00",
    "status": "active",
    "creation_date": "15/01/2013, 12:46:30",
    "last_update_on": "15/01/2014, 12:46:30",
    "creator_id": "1",
    "hide_from_catalog": "0",
    "time_limit": "0",
    "start_datetime": None,
    "expiration_datetime": None,
    "level": "1",
    "shared": "0",
    "shared_url": "",
    "certification": "Classic",
    "certification_duration": "Forever",
    "users": [
        {
            "id": "2",
            "name": "D. Dummy2",
            "role": "learner",
            "enrolled_on": "15/04/2013, 12:45:02",
            "enrolled_on_timestamp": "1366019102",
            "completed_on": "",
            "completed_on_timestamp": "",
            "completion_percentage": "0",
            "expired_on": "",
            "expired_on_timestamp": "",
            "total_time": "4m 44s",
            "total_time_seconds": 484,
        }
    ],
    "units": [{"id": "1", "type": "Content", "name": "Welcome", "url": "https://portal.example/unit/view/id:1"}],
    "rules": ["You must complete all content"],
    "prerequisites": [],
}

PAIR = {
    "role": "learner",
    "enrolled_on": "21/10/2014, 15:21:29",
    "enrolled_on_timestamp": "1413894089",
    "completion_status": "Completed",
    "completion_percentage": "100",
    "completed_on": "22/10/2014, 10:26:15",
    "completed_on_timestamp": "1413962775",
    "expired_on": "",
    "expired_on_timestamp": "",
    "total_time": "3m 33s",
    "total_time_seconds": 213,
    "units": [
        {
            "id": "1",
            "name": "my test",
            "type": "Test",
            "completion_status": "Completed",
            "completed_on": "22/10/2014, 10:25:29",
            "completed_on_timestamp": "1413962729",
            "score": "100",
            "total_time": "1m 11s",
            "total_time_seconds": 71,
        }
    ],
}

ATHENS = {"date_format": "DDMMYYYY", "timezone": "(GMT +02:00) Athens, Istanbul, Minsk"}


def raw_user(number, **fields):
    """Make the payload of a person with few fields."""
    return {"id": str(number), "login": f"p{number}", "first_name": "P", "last_name": str(number), **fields}
